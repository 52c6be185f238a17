"""Every form in which people have faces: images, tables, parquet."""
