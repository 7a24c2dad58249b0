import { requireProgram } from './tool.ts'

const remedy = 'Install both: sudo apt-get install --no-install-recommends openjdk-17-jre-headless maven'

/** Java 17 or later. */
export const java = (): string => requireProgram('java', remedy)

export const maven = (): string => requireProgram('mvn', remedy)
