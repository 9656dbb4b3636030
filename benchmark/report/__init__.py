"""From stored results to tables, figures, sentences and a page."""
