"""Replays: attempts of a finished run made again from what was recorded, as films and in MuJoCo's viewer."""
