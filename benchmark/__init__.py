"""benchmark: how the study is run and shown. Imports serkit; nothing in serkit imports it."""
