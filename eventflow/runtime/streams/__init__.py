"""Event source mappings on ordered sources: one loop for every source that keeps one position per partition."""
