import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { startKafka } from '../test/infra/kafka.ts'
import { startRedis } from '../test/infra/redis.ts'
const model = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'runtime/scripted-model/main.ts'], { stdio: ['ignore', 'pipe', 'inherit'] })
const [line] = (await once(createInterface({ input: model.stdout }), 'line')) as [string]
const MODEL_URL = JSON.parse(line).url
const [broker, redis] = await Promise.all([startKafka({ forLoad: true, properties: JSON.parse(process.env['PROPS'] ?? '{}') }), startRedis()])
const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', process.argv[2]!], { env: { ...process.env, MODEL_URL, KAFKA_BROKERS: broker.bootstrap, REDIS_URL: redis.url, BROKER_PIDS: `${broker.pid},${redis.pid}` }, stdio: 'inherit' })
await once(child, 'close')
model.kill(); await broker.stop(); await redis.stop()
process.exit(0)
