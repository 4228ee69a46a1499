from __future__ import annotations

from hypothesis import settings

# A slow machine is no failure: hypothesis' deadline per example would make these tests depend on timing.
settings.register_profile("eventflow", deadline=None)
settings.load_profile("eventflow")
