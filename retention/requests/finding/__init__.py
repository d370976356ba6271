"""Who is it? Records of a person over every system and the archive, by exact keys; likenesses are only offered."""
