import { test, type Test } from 'tap'
import { fieldsOf, provenBy } from './fields.ts'
import { envoyAbsent, Mesh, type EngineName, type TestRouter } from './mesh.ts'

export interface Scene {
  t: Test
  mesh: Mesh
  router: TestRouter
  /** Applies Istio resources through copilot's API, and waits until the router that is tested goes by them. */
  apply: (...documents: object[]) => Promise<void>
}

/** `MESH_ENGINES=envoy` and `MESH_BEHAVIOURS=REGEX` run a part of the suite. */
const engines = (process.env['MESH_ENGINES']?.split(',') ?? ['embedded', 'envoy']) as EngineName[]
const wanted = new RegExp(process.env['MESH_BEHAVIOURS'] ?? '')
let starting: Promise<Mesh> | undefined

/** All behaviours of the files that were read, by name: those that are not wanted too. */
export const behaviours = new Map<string, { only: EngineName | undefined }>()

/**
 * The conformance suite: each behaviour runs on both engines, all in one mesh. A difference between engines is a bug, except what is
 * Envoy's alone (`only`), which docs/resources-table.md says. Every case is a test called `ENGINE: BEHAVIOUR`,
 * or `ENGINE alone: BEHAVIOUR`; `skip` says why it cannot run here. What it applies must have the fields that it is said to prove in
 * test/conformance/fields.yaml.
 */
export function behaviour(
  name: string,
  check: (scene: Scene) => Promise<void>,
  { only, skip: absent }: { only?: EngineName; skip?: string | undefined } = {},
): void {
  behaviours.set(name, { only })
  if (!wanted.test(name)) return
  for (const engine of engines) {
    if (only && engine !== only) continue
    const skip = absent ?? (engine === 'envoy' && envoyAbsent)
    test(`${engine}${only ? ' alone' : ''}: ${name}`, { skip: skip || false }, async (t) => {
      const mesh = await (starting ??= Mesh.start({
        engines,
        rateLimitService: true,
        translation: { requestTimeout: '3s', portLeases: [8081, 9443].map((port) => ({ port, spaces: ['org/dev'] })) },
      }))
      const router = mesh.routers.get(engine) as TestRouter
      const applied = new Set<string>()
      const apply: Scene['apply'] = (...documents) => {
        for (const field of documents.flatMap(fieldsOf)) applied.add(field)
        return mesh.apply(router, ...documents)
      }
      await check({ t, mesh, router, apply })
      t.same(
        provenBy(name).filter((field) => !applied.has(field)),
        [],
        'it gives the fields that it is said to prove',
      )
    })
  }
}

// Queued behind the behaviours: a hook of the root test would wait for the mesh's own processes to end first.
setImmediate(() => void test('the mesh stops', async () => (await starting)?.stop()))
