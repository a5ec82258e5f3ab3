"""What ``upstreams.py`` is made of."""
