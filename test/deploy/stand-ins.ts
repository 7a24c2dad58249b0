// The servers of docker-compose.yml where no image hub is at hand: images of the names that stand in the file, which hold
// entry points alone. The programs are this machine's, mounted. What Compose does with them is real: environment, commands,
// users' secrets, networks, volumes, limits, health checks and their order.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { kafkaJars } from '../infra/kafka.ts'
import { java } from '../infra/java.ts'
import { jaegerProgram } from '../infra/jaeger.ts'
import { registryProgram } from '../infra/registry.ts'
import { installedProgram, runTool } from '../infra/tool.ts'

interface StandIn {
  /** Files of the image, by path. */
  readonly files: Readonly<Record<string, string>>
  readonly entrypoint: readonly string[]
  /** Mounts of the container, beside /usr. */
  readonly volumes: readonly string[]
}

const USERS = 'root:x:0:0::/:/bin/sh\npostgres:x:70:70::/:/bin/sh\n'
const LOGGING = readFileSync(join(import.meta.dirname, '../infra/kafka/log4j2.properties'), 'utf8')
const JAVA = '-XX:+UseSerialGC -XX:TieredStopAtLevel=1'

/** As the image of Apache Kafka does: every variable KAFKA_X_Y is the property x.y. */
const broker = `#!/bin/sh
set -e
env | grep '^KAFKA_' | while IFS='=' read -r name value; do
  echo "$(echo "\${name#KAFKA_}" | tr 'A-Z_' 'a-z.')=$value"
done > /run/server.properties
run() { exec java ${JAVA} -Xmx512m -Dlog4j2.configurationFile=/opt/log4j2.properties -cp '/opt/kafka/libs/*' "$@"; }
( run kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c /run/server.properties )
run kafka.Kafka /run/server.properties
`
/** As the image of PostgreSQL does: the first start makes the user and the database, and runs the scripts. */
const postgres = (programs: string): string => `#!/bin/sh
set -e
data=/var/lib/postgresql/data
as() { setpriv --reuid 70 --regid 70 --clear-groups "$@"; }
if [ ! -s $data/PG_VERSION ]; then
  chown 70:70 $data
  echo "$POSTGRES_PASSWORD" > /run/password && chown 70:70 /run/password
  as ${programs}/initdb -D $data -U "$POSTGRES_USER" --pwfile=/run/password -A scram-sha-256 -E UTF8 --locale=C.UTF-8
  echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
  export PGPASSWORD="$POSTGRES_PASSWORD"
  as ${programs}/pg_ctl -D $data -o "-c listen_addresses= -c unix_socket_directories=/tmp" -w start
  ask() { ${programs}/psql -h /tmp -U "$POSTGRES_USER" -v ON_ERROR_STOP=1 "$@"; }
  ask -d postgres -c "CREATE DATABASE \\"$POSTGRES_DB\\""
  for script in /docker-entrypoint-initdb.d/*.sql; do ask -d "$POSTGRES_DB" -f "$script"; done
  as ${programs}/pg_ctl -D $data -m fast -w stop
fi
shift
exec setpriv --reuid 70 --regid 70 --clear-groups ${programs}/postgres -D $data -c 'listen_addresses=*' -c unix_socket_directories=/tmp "$@"
`

async function standIns(): Promise<Readonly<Record<string, StandIn>>> {
  const [jars, registry, jaeger] = [await kafkaJars(), await registryProgram(), await jaegerProgram()]
  await installedProgram('redis-server', 'redis-server')
  await installedProgram('prometheus', 'prometheus')
  const programs = dirname(realpathSync(await installedProgram('initdb', 'postgresql')))
  const settings = readdirSync('/etc').filter((name) => name.startsWith('java-'))
  const jvm = settings.map((name) => `/etc/${name}:/etc/${name}:ro`)
  const path = dirname(realpathSync(java()))
  const run = `#!/bin/sh\nexport PATH=${path}:$PATH\n`
  return {
    broker: {
      files: {
        '/entry.sh': broker.replace('#!/bin/sh\n', run),
        '/opt/log4j2.properties': LOGGING,
      },
      entrypoint: ['/entry.sh'],
      volumes: [`${join(jars, 'lib')}:/opt/kafka/libs:ro`, ...jvm],
    },
    registry: {
      // No repository has the one that keeps its schemas in PostgreSQL; this one starts on its own, in memory.
      files: {
        '/entry.sh': `${run}unset $(env | grep -o '^REGISTRY_DATASOURCE_[A-Z]*')\nexec java ${JAVA} -Xmx512m -jar /opt/registry/*-runner.jar\n`,
      },
      entrypoint: ['/entry.sh'],
      volumes: [`${registry}:/opt/registry:ro`, ...jvm],
    },
    redis: { files: {}, entrypoint: [], volumes: [] },
    postgres: {
      files: { '/entry.sh': postgres(programs), '/etc/passwd': USERS },
      entrypoint: ['/entry.sh'],
      volumes: [],
    },
    jaeger: { files: {}, entrypoint: ['/opt/jaeger/jaeger'], volumes: [`${jaeger}:/opt/jaeger:ro`] },
    prometheus: { files: {}, entrypoint: ['/usr/bin/prometheus'], volumes: [] },
  }
}

/**
 * Imports them under the names that the services of the file have. Resolves with what must be merged into the file: the
 * mounts. `absent`: services that nothing here can stand in for.
 */
export async function importStandIns(
  services: Readonly<Record<string, { readonly image: string }>>,
  absent: readonly string[],
): Promise<object> {
  const made = await standIns()
  const merged: Record<string, object> = Object.fromEntries(
    absent.map((name) => [name, { profiles: ['absent'] }]),
  )
  for (const [name, standIn] of Object.entries(made)) {
    await importImage(services[name]?.image ?? '', standIn)
    merged[name] = { volumes: ['/usr:/usr:ro', ...standIn.volumes] }
  }
  return { services: merged }
}

async function importImage(image: string, { files, entrypoint, volumes }: StandIn): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-stand-in-'))
  const root = join(folder, 'root')
  const put = (path: string, text: string): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), text)
    chmodSync(join(root, path), 0o755)
  }
  try {
    const mounts = volumes.map((volume) => volume.split(':')[1] ?? '')
    for (const empty of ['usr', 'etc', 'proc', 'sys', 'dev', 'tmp', 'run', 'data', ...mounts])
      mkdirSync(join(root, empty), { recursive: true })
    chmodSync(join(root, 'tmp'), 0o1777)
    for (const name of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${name}`, join(root, name))
    for (const [path, text] of Object.entries(files)) put(path, text)
    await runTool('tar', ['-C', root, '-cf', join(folder, 'image.tar'), '.'])
    const change = entrypoint.length > 0 ? ['--change', `ENTRYPOINT ${JSON.stringify(entrypoint)}`] : []
    await runTool('docker', ['import', ...change, join(folder, 'image.tar'), image])
  } finally {
    rmSync(folder, { recursive: true })
  }
}
