"""The words in which claims are put and answered. A plan reads them too, so nothing is imported here."""

ABOVE, BELOW, WITHIN = "above", "below", "within"
"""What a claim has of its changes: up, down, or all smaller than a margin."""
EITHER = "either"
"""Some clearly changed, up or down."""
HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told"
MARGIN = 0.05
"""A change of wF1 or recall that counts. Ours, because the paper gives none: as much as other names for the
labels of one corpus change there, and below the 0.08 that it calls an improvement."""
