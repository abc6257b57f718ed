"""What is stored, written into a folder or a ZIP for others: the data sets bit for bit, under names of our own."""
