"""Event source mappings on queues: one loop for every source whose records are settled one by one."""
