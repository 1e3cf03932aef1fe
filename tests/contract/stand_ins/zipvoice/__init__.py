"""Stands in for LuxTTS's package, which has no weights here: see luxvoice."""
