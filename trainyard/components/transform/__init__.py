"""Transform without Beam, writing what stock Transform writes."""
