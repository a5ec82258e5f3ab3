"""The page of what ``edgebatch plan`` wrote."""
