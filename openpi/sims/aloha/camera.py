"""Renders the scene's camera without a screen.

MuJoCo's own Renderer picks its OpenGL once, by an environment variable read when mujoco is first imported; this one asks
for EGL itself, whoever imported mujoco before, and says in one line what is missing when there is none.
"""

import sys

import mujoco
import numpy as np

from openpi.sims.aloha import scene as scene_lib

_OFF = (
    mujoco.mjtRndFlag.mjRND_SHADOW,
    mujoco.mjtRndFlag.mjRND_REFLECTION,
    mujoco.mjtRndFlag.mjRND_SKYBOX,
    mujoco.mjtRndFlag.mjRND_FOG,
    mujoco.mjtRndFlag.mjRND_HAZE,
)


class Camera:
    """Renders `cam_high` of a scene.

    Raises:
        RuntimeError: there is no EGL, which renders without a screen.
    """

    def __init__(self, scene: scene_lib.Scene, *, height: int = 224, width: int = 224) -> None:
        self._model = scene.model
        self._data = scene.data
        self._gl = _open_gl(width, height)
        self._gl.make_current()
        self._scene = mujoco.MjvScene(self._model, maxgeom=200)
        for flag in _OFF:
            self._scene.flags[flag] = 0
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._view.fixedcamid = self._model.camera(scene_lib.CAMERA).id
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._rect = mujoco.MjrRect(0, 0, width, height)

    def render(self) -> np.ndarray:
        """The view now, uint8 [H, W, 3]."""
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            mujoco.MjvOption(),
            None,
            self._view,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        mujoco.mjr_render(self._rect, self._scene, self._context)
        pixels = np.empty((self._rect.height, self._rect.width, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._rect, self._context)
        return pixels[::-1].copy()  # OpenGL counts rows from below

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._gl.make_current()  # what is freed is the current context's, and another camera's may be current
        self._context.free()
        self._gl.free()


def _open_gl(width: int, height: int):
    if sys.platform != "linux":
        return mujoco.GLContext(width, height)
    try:
        import mujoco.egl as egl

        return egl.GLContext(width, height)
    except (ImportError, AttributeError, RuntimeError) as error:  # PyOpenGL without the library: AttributeError
        raise RuntimeError(
            f"cannot render without EGL ({error}); install the packages libegl1, libgl1-mesa-dri and libopengl0"
        ) from error
