import { test, type Test } from 'tap'
import { envoyAbsent, Mesh, type EngineName, type TestRouter } from './mesh.ts'

export interface Scene {
  t: Test
  mesh: Mesh
  router: TestRouter
}

const engines: EngineName[] = ['embedded', 'envoy']
let starting: Promise<Mesh> | undefined

/**
 * The conformance suite: each behaviour runs on both engines, all in one mesh. A difference between engines is a bug.
 * Every case is a test called `ENGINE: BEHAVIOUR`.
 */
export function behaviour(name: string, check: (scene: Scene) => Promise<void>): void {
  for (const engine of engines) {
    const skip = engine === 'envoy' && envoyAbsent
    test(`${engine}: ${name}`, { skip: skip || false }, async (t) => {
      const mesh = await (starting ??= Mesh.start({ translation: { requestTimeout: '3s' } }))
      await check({ t, mesh, router: mesh.routers.get(engine) as TestRouter })
    })
  }
}

// Queued behind the behaviours: a hook of the root test would wait for the mesh's own processes to end first.
setImmediate(() => void test('the mesh stops', async () => (await starting)?.stop()))
