"""A starter recipe from data: `trainyard new RECIPE --data FILE --label COLUMN`."""

from trainyard.pipeline.starter.writing import Starter, new_recipe

__all__ = ["Starter", "new_recipe"]
