import { docker } from './docker.ts'
import { escapeTests } from './suite/escapes.ts'

// A container takes a third of a second to start and to go: several at once, or it takes minutes.
// The ways of the language lead to what the others take at once, and end at the same container.
await escapeTests(docker, { together: 4, without: ['language'] })
