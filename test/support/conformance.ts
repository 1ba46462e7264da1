import tap, { test, type Test } from 'tap'
import { envoyAbsent, Mesh, type EngineName, type MeshOptions, type TestRouter } from './mesh.ts'

export interface Scene {
  t: Test
  mesh: Mesh
  router: TestRouter
}

const engines: EngineName[] = ['embedded', 'envoy']

/**
 * The conformance suite: each behaviour runs on both engines, in one mesh for the file. A difference between engines is a bug.
 * Every case is a test called `ENGINE: BEHAVIOUR`.
 */
export function conformance(translation?: object): { behaviour: (name: string, check: (scene: Scene) => Promise<void>) => void } {
  let starting: Promise<Mesh> | undefined
  const start = (options: MeshOptions): Promise<Mesh> => (starting ??= Mesh.start(options))
  tap.after(async () => {
    await (await starting)?.stop()
  })
  return {
    behaviour(name, check) {
      for (const engine of engines) {
        const skip = engine === 'envoy' && envoyAbsent
        test(`${engine}: ${name}`, { skip: skip || false }, async (t) => {
          const mesh = await start(translation ? { translation } : {})
          await check({ t, mesh, router: mesh.routers.get(engine) as TestRouter })
        })
      }
    },
  }
}
