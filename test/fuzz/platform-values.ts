import * as fc from 'fast-check'
import { Value } from 'typebox/value'
import { recordFaults } from '../../src/copilot/records.ts'
import type { Change, PlatformKind } from '../../src/mesh/records.ts'
import { TranslationSettings } from '../../src/pilot/translate/settings.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { TestPlatform } from '../route-syncer/support/platform.ts'
import { actualLrps, desiredLrps, text } from './support/lrps.ts'
import type { Part } from './support/run.ts'

const name = fc.oneof(fc.constantFrom('p', 'q', 'space'), text)
const labels = fc.dictionary(text, text, { maxKeys: 3 })
const news = fc.oneof(
  desiredLrps.map((lrp) => (platform: TestPlatform) => lrp.processGuid && platform.hear({ kind: 'desired', lrp })),
  desiredLrps.map((lrp) => (platform: TestPlatform) => lrp.processGuid && platform.hear({ kind: 'desired-removed', lrp })),
  actualLrps.map((lrp) => (platform: TestPlatform) => platform.hear({ kind: 'actual', lrp })),
  actualLrps.map((lrp) => (platform: TestPlatform) => platform.hear({ kind: 'actual-removed', lrp })),
  fc
    .record({
      guid: name.filter(Boolean),
      url: text,
      space: name.filter(Boolean),
      domain: fc.constantFrom('mesh', 'apps', 'internal', 'x'),
      labels,
      options: fc.dictionary(text, fc.anything(), { maxKeys: 2 }),
      destinations: fc.array(
        fc.record({
          app: name.filter(Boolean),
          type: text,
          port: fc.integer({ min: 0, max: 65_535 }),
          protocol: text,
          weight: fc.option(fc.integer({ min: 0, max: 100 })),
        }),
        { maxLength: 2 },
      ),
    })
    .map((route) => (platform: TestPlatform) => platform.cc.route(route)),
  fc.record({ guid: name.filter(Boolean), labels, space: name.filter(Boolean), instances: fc.nat(), state: text }).map(
    ({ guid, ...app }) =>
      (platform: TestPlatform) =>
        platform.cc.app(guid, app),
  ),
  fc.constant((platform: TestPlatform) => platform.readAll()),
)

/**
 * What the platform tells in its own form, whatever it means: the records that follow are ones that copilot accepts and pilot translates.
 */
export const platformValues: Part = {
  name: 'platform-values',
  what: 'well-formed news of the platform with senseless values, up to the Envoy configuration',
  async run(run) {
    const settings = Value.Default(TranslationSettings, {}) as TranslationSettings
    run.watch()
    await run.property(fc.array(news, { maxLength: 12 }), async (all) => {
      const platform = new TestPlatform({ mirror: { from: 'apps', to: 'mesh' } })
      const translator = new Translator(settings)
      for (const tell of all) await tell(platform)
      await platform.readAll()
      const changes = platform.changes.map((change) => JSON.parse(JSON.stringify(change)) as Change)
      for (const { kind, key, value } of changes) {
        const faults = value ? recordFaults(kind as PlatformKind, key, value) : []
        if (faults.length) throw new Error(`copilot refuses ${kind} ${JSON.stringify(key)}: ${faults.join('; ')}`)
      }
      translator.apply(changes)
    })
  },
}
