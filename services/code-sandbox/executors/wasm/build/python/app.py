# The component: what sandbox.wit exports. Sources of the artefact: after a change here or in ../../../python, run build.ts.
import sandbox_step
import wit_world


class WitWorld(wit_world.WitWorld):
    def step(self, request: str) -> str:
        return sandbox_step.step(request)
