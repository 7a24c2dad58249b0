// Pods without a cluster: the Docker engine starts a rendered pod's container with the command, environment, volumes,
// user, confinement and limits that are written there, on the network of this machine.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { runTool } from '../infra/tool.ts'
import type { Container, PodSpec, Probe, Volume } from './chart.ts'

/** What the cluster holds beside the pods: Secrets and ConfigMaps, by name and key. */
export interface ClusterData {
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly configMaps: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface Pod {
  readonly name: string
  readonly url: string
  /** Resolves when the probe succeeds; rejects once Kubernetes would give up. */
  succeeds(probe: Probe | undefined): Promise<void>
  /** Output of Node in the container, for this program. */
  node(script: string): Promise<string>
  logs(): Promise<string>
  /** Waits for its end. */
  exitCode(): Promise<number>
  /** SIGTERM, and SIGKILL after the pod's grace. Resolves with the exit code and how long it took. */
  terminate(): Promise<{ code: number; seconds: number }>
  remove(): Promise<void>
}

export async function startPod(spec: PodSpec, data: ClusterData): Promise<Pod> {
  const [container] = spec.containers
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-pod-'))
  const environment = environmentOf(container, data)
  const args = [
    ...['run', '-d', '--network=host', ...confinement(spec, container)],
    ...container.volumeMounts.flatMap((mount) => {
      const volume = spec.volumes.find(({ name }) => name === mount.name)
      if (volume === undefined) throw new Error(`${container.name} mounts ${mount.name}, which the pod lacks`)
      return mounted(volume, mount, folder, spec, data)
    }),
    ...Object.entries(environment).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
    ...(container.command ? ['--entrypoint', container.command[0] ?? ''] : []),
    container.image,
    ...(container.command?.slice(1) ?? []),
    ...(container.args ?? []),
  ]
  const id = (await runTool('docker', args)).trim()
  return podOf(id, spec, `http://127.0.0.1:${environment['PORT']}`, folder)
}

function environmentOf(
  { env, name: container }: Container,
  { secrets }: ClusterData,
): Record<string, string> {
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => {
      const { name: secret = '', key = '' } = valueFrom?.secretKeyRef ?? {}
      const given = value ?? secrets[secret]?.[key]
      if (given === undefined) throw new Error(`${container}: there is no Secret ${secret} with ${key}`)
      return [name, given]
    }),
  )
}

function confinement({ securityContext: pod }: PodSpec, { securityContext, resources }: Container): string[] {
  const own = securityContext as { readOnlyRootFilesystem: boolean; capabilities: { drop: string[] } }
  const { limits } = resources as { limits: { cpu: string; memory: string } }
  return [
    ...(own.readOnlyRootFilesystem ? ['--read-only'] : []),
    ...own.capabilities.drop.map((capability) => `--cap-drop=${capability}`),
    '--security-opt=no-new-privileges',
    `--user=${pod.runAsUser}:${pod.runAsGroup}`,
    `--cpus=${limits.cpu}`,
    `--memory=${limits.memory.replace('Gi', 'g').replace('Mi', 'm')}`,
  ]
}

function mounted(
  volume: Volume,
  { mountPath }: { readonly mountPath: string },
  folder: string,
  { securityContext: { runAsGroup } }: PodSpec,
  { secrets, configMaps }: ClusterData,
): string[] {
  if (volume.emptyDir) return [`--tmpfs=${mountPath}:exec,mode=1777`]
  const path = join(folder, volume.name)
  mkdirSync(path)
  const put = (name: string, text: string | undefined, mode: number): void => {
    if (text === undefined) throw new Error(`the cluster has nothing for ${volume.name}/${name}`)
    writeFileSync(join(path, name), text)
    // As Kubernetes does for a pod with fsGroup.
    chownSync(join(path, name), 0, runAsGroup)
    chmodSync(join(path, name), mode)
  }
  for (const { secret } of volume.projected?.sources ?? [])
    for (const { key, path: name } of secret.items) put(name, secrets[secret.name]?.[key], 0o440)
  const files = configMaps[volume.configMap?.name ?? ''] ?? {}
  for (const [name, text] of Object.entries(files)) put(name, text, 0o644)
  chmodSync(folder, 0o755)
  return ['-v', `${path}:${mountPath}:ro`]
}

function podOf(id: string, spec: PodSpec, url: string, folder: string): Pod {
  const { name } = spec.containers[0]
  const docker = (...args: string[]) => runTool('docker', args)
  const logs = async (): Promise<string> => {
    const merged = await runTool('sh', ['-c', `docker logs --tail 100 ${id} 2>&1`])
    return merged.slice(-20_000)
  }
  const inspect = (field: string) =>
    docker('inspect', '--format', `{{.State.${field}}}`, id).then((text) => text.trim())
  const exitCode = async (): Promise<number> => Number(await docker('wait', id))
  return {
    name,
    url,
    logs,
    exitCode,
    node: (script) => docker('exec', id, 'node', '-e', script),
    async succeeds(probe) {
      if (probe === undefined) throw new Error(`${name} has no such probe`)
      const { periodSeconds, failureThreshold = 3, initialDelaySeconds = 0 } = probe
      const deadline = performance.now() + 1_000 * (initialDelaySeconds + periodSeconds * failureThreshold)
      for (;;) {
        const answer = await fetch(url + probe.httpGet.path).catch(() => null)
        if (answer?.ok) return
        if ((await inspect('Running')) !== 'true') throw new Error(`${name} ended:\n${await logs()}`)
        if (performance.now() > deadline)
          throw new Error(`${name} fails ${probe.httpGet.path}: ${await answer?.text()}\n${await logs()}`)
        await pause(200)
      }
    },
    async terminate() {
      const begun = performance.now()
      await docker('stop', '-t', String(spec.terminationGracePeriodSeconds), id)
      return { code: await exitCode(), seconds: (performance.now() - begun) / 1_000 }
    },
    async remove() {
      await docker('rm', '-f', id)
      rmSync(folder, { recursive: true })
    },
  }
}
