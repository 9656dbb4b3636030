"""What an augmented clip goes through, as data: effects, their ranges, and what these may span."""

from __future__ import annotations  # a study file asks for types by their text

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from serkit.settings import check, check_numbers, is_number, one_of
from serkit.words import shown

STRETCH_METHODS = ("feature", "vocoder")
SETTINGS_OF = {
    "stretch": ("stretch_rate", "stretch_method"),
    "fade": ("fade_share",),
    "shift": ("shift_share",),
    "equalizer": ("high_pass_hz", "low_pass_hz"),
    "reverb": ("room_size", "wet_level", "dry_level"),
    "noise": ("noise_snr_db",),
    "specaugment": ("time_masks", "time_mask_share", "band_masks", "mask_bands"),
}
"""The settings of each effect: fields of `Augmentation`."""
EFFECTS = tuple(SETTINGS_OF)
"""The seven augmentations (§5.2), in the order in which they are applied."""

Range = tuple[float, float]
ALLOWED: dict[str, Range] = {
    "stretch_rate": (0.5, 2),  # beyond, frames skip parts of the speech, or it is speech no more
    "shift_share": (-0.5, 0.5),  # at least half of the clip stays
    "fade_share": (0, 1),
    "high_pass_hz": (5, 7900),  # lower ones ring for longer than a clip; 8 kHz is the lowest Nyquist rate
    "low_pass_hz": (5, 7900),
    "room_size": (0, 1),  # pedalboard's own
    "wet_level": (0, 1),  # pedalboard's own
    "noise_snr_db": (-20, 100),
    "time_mask_share": (0, 1),
    "mask_bands": (0, 64),
}
"""What each range may span."""


@dataclass(frozen=True)
class Augmentation:
    """What an augmented clip goes through: which effects, within which ranges (both ends belong to them).

    Encoders that take log-mel and those that take waves get all of them, by the same draws
    (docs/augmentation.md): a study can compare both under one augmentation.

    §5.2 gives the ranges of stretch, fade and reverb. The others are ours, each with its reason:

    Attributes:
        effects: some of `EFFECTS`; an affected clip gets all of them, in that order.
        stretch_rate: tempo, pitch kept (§5.2); above 1 is faster. Uniform, as all but the cut-offs.
        stretch_method: `feature`, log-mel frames taken every hop x rate samples; `vocoder`, a phase vocoder
            on the wave. The first is nearer to good time-scalers and nearly free (docs/augmentation.md). For
            an encoder that takes waves it is the vocoder, whatever is said here.
        shift_share: of the clip's length, later if positive; what leaves is cut, what comes is silence.
            A tenth, as the fade: at least nine tenths of the speech stay, in their order.
        fade_share: of the clip's length that its fade-in and fade-out take together (§5.2: up to 10 %).
        high_pass_hz: cut-off, log-uniform, from inaudible to 300 Hz, where the telephone band starts.
        low_pass_hz: cut-off, log-uniform, from 3400 Hz, where the telephone band ends, to just below the
            8 kHz that 16 kHz audio has.
        room_size: of pedalboard's Reverb (§5.2: up to 0.2).
        wet_level: of pedalboard's Reverb (§5.2: up to 0.5).
        dry_level: of pedalboard's Reverb (§5.2: 0.4).
        noise_snr_db: the clip, as filtered and reverberated, over pink noise. From clearly audible and
            still easily understood to hardly audible.
        time_masks: SpecAugment's stripes over time, as many as the stock PANNs class has.
        time_mask_share: of the clip's frames that each takes. Stock: up to 64 of 1001 frames, 6.4 %; a
            share, because 64 frames would be half of a 2.5 s clip; rounded up to a tenth.
        band_masks: SpecAugment's stripes over mel bands, as many as the stock class has.
        mask_bands: mel bands that each takes, a whole number (stock: up to 8 of 64).
    """

    effects: tuple[str, ...] = EFFECTS
    stretch_rate: Range = (0.9, 1.2)
    stretch_method: str = "feature"
    shift_share: Range = (-0.1, 0.1)
    fade_share: Range = (0.0, 0.1)
    high_pass_hz: Range = (20.0, 300.0)
    low_pass_hz: Range = (3400.0, 7600.0)
    room_size: Range = (0.0, 0.2)
    wet_level: Range = (0.0, 0.5)
    dry_level: float = 0.4
    noise_snr_db: Range = (10.0, 30.0)
    time_masks: int = 2
    time_mask_share: Range = (0.0, 0.1)
    band_masks: int = 2
    mask_bands: Range = (0, 8)

    def __post_init__(self) -> None:
        """Sets what effects that are off would do to its default, as it must not change a key."""
        known = ", ".join(EFFECTS)
        for effect in self.effects:
            check(effect in EFFECTS, f"augmentation effect {shown(effect)}: expected some of {known}")
        once = len(set(self.effects)) == len(self.effects) > 0
        said = f"augmentation effects = {shown(list(self.effects))}"
        check(once, f"{said}: expected one or more of {known}, each once")
        for name in ALLOWED:
            object.__setattr__(self, name, _range(name, getattr(self, name)))
        high, low = self.high_pass_hz[1], self.low_pass_hz[0]
        gap = f"high_pass_hz up to {high:g} and low_pass_hz from {low:g}: nothing would be left between them"
        check(high <= low, f"augmentation {gap}; expected ranges that do not overlap")
        one_of("augmentation stretch_method", self.stretch_method, STRETCH_METHODS)
        check_numbers(self, "augmentation", "augmentation ")
        object.__setattr__(self, "effects", tuple(effect for effect in EFFECTS if effect in self.effects))
        on = {name for effect in self.effects for name in SETTINGS_OF[effect]}
        for field in dataclasses.fields(self):
            if field.name != "effects" and field.name not in on:
                object.__setattr__(self, field.name, field.default)

    @property
    def stretches_features(self) -> bool:
        """Whether the stretch is in the log-mel spectrogram, of encoders that take it, and on no wave."""
        return "stretch" in self.effects and self.stretch_method == "feature"

    def on_waves(self) -> Self:
        """The part that changes waves under log-mel. Raises SpecError where nothing does."""
        features = {"specaugment"} | ({"stretch"} if self.stretches_features else set())
        effects = tuple(effect for effect in self.effects if effect not in features)
        check(effects, f"augmentation effects = {list(self.effects)}: they change features, no wave")
        return dataclasses.replace(self, effects=effects)


def _range(name: str, value: Any) -> Range:
    """A range as two floats (mask_bands: two whole numbers)."""
    low, high = ALLOWED[name]
    numbers = isinstance(value, tuple) and len(value) == 2 and all(is_number(end) for end in value)
    written = f"augmentation {name} = {shown(list(value) if isinstance(value, tuple) else value)}"
    fits = numbers and low <= value[0] <= value[1] <= high
    check(fits, f"{written}: expected [lowest, highest] within {low:g}..{high:g}")
    if name != "mask_bands":
        return float(value[0]), float(value[1])
    check(all(isinstance(end, int) for end in value), f"{written}: expected whole numbers of bands")
    return value
