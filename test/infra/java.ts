import { requireProgram } from './tool.ts'

const remedy = 'Install both: sudo apt-get install --no-install-recommends openjdk-17-jre-headless maven'

/** Java 17 or later. */
export const java = (): string => requireProgram('java', remedy)

export const maven = (): string => requireProgram('mvn', remedy)

/** Half the processor time of a default start (Kafka 7 s to 4.4 s, the registry 9.4 s to 4.6 s), for less at full load. */
export const quickStart: readonly string[] = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
