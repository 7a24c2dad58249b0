// One file: `crash` ends every container of the engine.
import { featureTests } from './suite/features.ts'
import { killedTests } from './suite/killed.ts'
import { limitTests } from './suite/limits.ts'
import { ownClassTests } from './suite/own-classes.ts'
import { replayTests } from './suite/replay.ts'
import { semanticsTests } from './suite/semantics.ts'
import { docker } from './docker.ts'

semanticsTests(docker)
featureTests(docker)
limitTests(docker)
ownClassTests(docker)
replayTests(docker)
killedTests(docker)
