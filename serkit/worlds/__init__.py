"""Generated speech with a known answer: `speech` is the synthesiser, `world` gives meaning and channel."""
