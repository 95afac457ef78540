"""The photos: where they are, how they are split, decoded, batched and augmented."""
