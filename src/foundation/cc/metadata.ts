import { Type } from 'typebox'
import type { Metadata } from '../store/rows.ts'
import { asText, isObject } from '../json.ts'
import { unprocessable } from './errors.ts'

/** `metadata` in a body: any value here, since `mergeMetadata` tells its faults in Cloud Controller's words. */
export const MetadataField = Type.Optional(Type.Unknown())

const domainName = /^(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)+$/

/**
 * Labels and annotations after a change: a key with value null goes, the others are set. Throws UnprocessableEntity
 * where a key or value is not allowed.
 */
export function mergeMetadata(metadata: unknown, current: Metadata = { labels: {}, annotations: {} }): Metadata {
  if (metadata === undefined) return { labels: current.labels, annotations: current.annotations }
  const faults = metadataFaults(metadata)
  if (faults.length) throw unprocessable(faults.map((fault) => `Metadata ${fault}`).join(', '))
  const { labels, annotations } = metadata as Partial<Record<keyof Metadata, Record<string, string | null>>>
  return { labels: merged(current.labels, labels), annotations: merged(current.annotations, annotations) }
}

function merged(current: Record<string, string>, changes: Record<string, string | null> = {}): Record<string, string> {
  const entries = Object.entries({ ...current, ...changes }).filter(([, value]) => value !== null)
  return Object.fromEntries(entries.map(([key, value]) => [key, asText(value)]))
}

function metadataFaults(metadata: unknown): string[] {
  if (!isObject(metadata)) return ['must be an object']
  const unexpected = Object.keys(metadata).filter((key) => key !== 'labels' && key !== 'annotations')
  const faults = unexpected.length ? [`has unexpected field(s): ${unexpected.map((key) => `'${key}'`).join(' ')}`] : []
  const { labels = {}, annotations = {} } = metadata
  if (isObject(labels)) {
    for (const [key, value] of Object.entries(labels)) {
      const [keyError, valueError] = [keyFault(key), valueFault(value)]
      if (keyError) faults.push(`label key error: ${keyError}`)
      if (valueError) faults.push(`label value error: ${valueError}`)
    }
  } else if (labels !== null) faults.push("'labels' is not an object")
  if (isObject(annotations)) {
    for (const [key, value] of Object.entries(annotations)) {
      const keyError = value === null || value === '' ? undefined : keyFault(key)
      if (keyError) faults.push(`annotation key error: ${keyError}`)
      if (value !== null && asText(value).length > 5000)
        faults.push(`annotation value error: '${asText(value).slice(0, 8)}...' is greater than 5000 characters`)
    }
  } else if (annotations !== null) faults.push("'annotations' is not an object")
  return faults
}

function keyFault(key: string): string | undefined {
  if (!key) return 'key cannot be empty string'
  if (key.split('/').length > 2) return "key has more than one '/'"
  const [name, prefix] = key.split('/').reverse() as [string, string | undefined]
  if (prefix !== undefined && prefix.length > 253) return `prefix '${prefix.slice(0, 8)}...' is greater than 253 characters`
  if (prefix !== undefined && !domainName.test(prefix)) return `prefix '${prefix}' must be in valid dns format`
  if (prefix?.toLowerCase() === 'cloudfoundry.org') return "prefix 'cloudfoundry.org' is reserved"
  return name ? wordFault(name) : 'key cannot be empty string'
}

function valueFault(value: unknown): string | undefined {
  return value === null || value === '' ? undefined : wordFault(asText(value))
}

function wordFault(word: string): string | undefined {
  if (/[^\w\-.]/.test(word)) return `'${word}' contains invalid characters`
  if (!/^[a-zA-Z\d](.*[a-zA-Z\d])?$/.test(word)) return `'${word}' starts or ends with invalid characters`
  if (word.length > 63) return `'${word.slice(0, 8)}...' is greater than 63 characters`
  return undefined
}

/** Whether labels satisfy a `label_selector`; undefined where it cannot be read. */
export function labelSelector(selector: string): ((labels: Record<string, string>) => boolean) | undefined {
  const requirements = selector.match(/(?:\([^)]*\)|[^,(])+/g)?.map((text) => requirement(text.trim())) ?? []
  if (!requirements.length || requirements.includes(undefined)) return undefined
  return (labels) => requirements.every((holds) => holds!(labels))
}

type Requirement = (labels: Record<string, string>) => boolean

const key = '([\\w./-]+)'
const oneOf: (key: string, values: string[]) => Requirement = (key, values) => (labels) =>
  labels[key] !== undefined && values.includes(labels[key])
const noneOf: (key: string, values: string[]) => Requirement = (key, values) => (labels) =>
  labels[key] === undefined || !values.includes(labels[key])
const forms: [RegExp, (key: string, values: string[]) => Requirement][] = [
  [new RegExp(`^${key}\\s+in\\s*\\((.*)\\)$`), oneOf],
  [new RegExp(`^${key}\\s+notin\\s*\\((.*)\\)$`), noneOf],
  [new RegExp(`^${key}\\s*!=\\s*(.*)$`), noneOf],
  [new RegExp(`^${key}\\s*==?\\s*(.*)$`), oneOf],
  [new RegExp(`^${key}$`), (key) => (labels) => labels[key] !== undefined],
  [new RegExp(`^!${key}$`), (key) => (labels) => labels[key] === undefined],
]

function requirement(text: string): Requirement | undefined {
  for (const [pattern, make] of forms) {
    const [, key, values = ''] = pattern.exec(text) ?? []
    if (key)
      return make(
        key,
        values.split(',').map((value) => value.trim()),
      )
  }
  return undefined
}
