"""Results as one HTML page that needs no network, and as figures for papers."""
