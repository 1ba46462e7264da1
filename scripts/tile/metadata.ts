import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Metadata } from './types.ts'

const root = resolve(import.meta.dirname, '../..')

/** Fills in tile/metadata/mesh-release.yml with the tile's version and the releases it carries. */
export function fillIn(version: string, releases: Metadata['releases']): Metadata {
  const template = parse(readFileSync(join(root, 'tile/metadata/mesh-release.yml'), 'utf8'), { version: '1.1' }) as Metadata
  const icon = readFileSync(join(root, 'tile/icon.png')).toString('base64')
  return {
    ...template,
    product_version: version,
    releases: releases.map(({ name, version, file }) => ({ name, file, version })),
    icon_image: icon,
  }
}

/** The metadata as the file that Ops Manager reads: YAML 1.1, without comments and aliases. */
export function metadataFile(metadata: Metadata): string {
  return `---\n${stringify(metadata, { version: '1.1', directives: false, lineWidth: 0, aliasDuplicateObjects: false })}`
}
