"""MuJoCo, imported without its window systems: it reads hands (grippers/) and moves bodies (data_gen/physics/)."""

import os
import warnings
from types import ModuleType

__all__ = ["load_mujoco"]


def load_mujoco() -> ModuleType:
    """The module `mujoco` without its window systems; what it warns of (a step that diverged) is a Python warning.

    pyrender pins a PyOpenGL whose EGL part mujoco cannot import, so MUJOCO_GL=egl, common on servers, would stop us
    here; nothing of ours draws with MuJoCo (film.py casts rays). By itself it would warn in a file, MUJOCO_LOG.TXT,
    wherever a run happens to be.
    """
    os.environ["MUJOCO_GL"] = "disable"
    import mujoco

    if mujoco.get_mju_user_warning() is not _warn:
        mujoco.set_mju_user_warning(_warn)
    return mujoco


def _warn(text: str) -> None:
    warnings.warn(f"MuJoCo: {text}", RuntimeWarning, stacklevel=2)
