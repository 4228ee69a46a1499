"""Wiring: environments, handlers' signatures, and the validated plan of functions, triggers and bindings."""
