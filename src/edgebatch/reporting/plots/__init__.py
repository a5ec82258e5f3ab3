"""Plots, one a module; each draws on axes that it is given."""
