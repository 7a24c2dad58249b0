import { docker } from './docker.ts'
import { escapeTests } from './suite/escapes.ts'

// A container takes a third of a second to start and to go: several at once, or it takes minutes.
await escapeTests(docker, { together: 4 })
