"""Copies for the person: access and portability packages, encrypted, expiring."""
