"""The page of what ``edgebatch sweep`` left."""
