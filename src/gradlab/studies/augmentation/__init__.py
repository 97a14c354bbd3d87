"""Data augmentation on FashionMNIST (F §2)."""
