"""The versions of a recipe's model: what they are, which one answers, and who decided it."""
