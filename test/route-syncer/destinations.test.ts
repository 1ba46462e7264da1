import { test } from 'tap'
import { decideDestinations, type Mapping, type ProcessWord } from '../../src/route-syncer/serving/destinations.ts'

const mapping = (app: string, extra: Partial<Mapping> = {}): Mapping => ({ app, type: 'web', port: 8080, protocol: 'http1', ...extra })
const word = (process: string, at: number, mappings: Mapping[], extra: Partial<ProcessWord> = {}): ProcessWord => ({
  process,
  app: 'a',
  type: 'web',
  at,
  gone: false,
  mappings,
  ...extra,
})
const shown = (cloud: [number, Mapping[]], words: ProcessWord[]): string[] =>
  decideDestinations({ at: cloud[0], mappings: cloud[1] }, words).map(
    ({ app, type, port, processes, weight }) => `${app}/${type}:${port}${weight ? `*${weight}` : ''} ${processes.join('+')}`,
  )

test('both sources agree', (t) => {
  t.same(shown([1, [mapping('a')]], [word('p', 2, [mapping('a')])]), ['a/web:8080 p'])
  t.end()
})

test('an app without process keeps its mapping, without instances', (t) => {
  t.same(shown([1, [mapping('a')]], []), ['a/web:8080 '])
  t.same(
    shown([1, [mapping('a', { type: 'worker' })]], [word('p', 2, [])]),
    ['a/worker:8080 '],
    'a process of another type says nothing of it',
  )
  t.end()
})

test('the newer source decides whether a route is mapped', (t) => {
  t.same(shown([1, []], [word('p', 2, [mapping('a')])]), ['a/web:8080 p'], 'BBS is ahead and has it')
  t.same(shown([2, []], [word('p', 1, [mapping('a')])]), [], 'Cloud Controller is ahead and has it not')
  t.same(shown([1, [mapping('a')]], [word('p', 2, [])]), [], 'BBS is ahead and has it not')
  t.same(shown([2, [mapping('a')]], [word('p', 1, [])]), ['a/web:8080 p'], 'Cloud Controller is ahead and has it')
  t.end()
})

test('each process of a rolling deployment speaks for itself', (t) => {
  t.same(shown([1, [mapping('a')]], [word('old', 2, [mapping('a')]), word('new', 3, [mapping('a')])]), ['a/web:8080 new+old'])
  t.same(shown([2, [mapping('a')]], [word('old', 1, [mapping('a')]), word('new', 3, [])]), ['a/web:8080 old'])
  t.end()
})

test('the last word of a process that is gone still counts', (t) => {
  t.same(shown([1, [mapping('a')]], [word('p', 2, [], { gone: true })]), [], 'unmapped, then stopped')
  t.same(shown([1, []], [word('p', 2, [mapping('a')], { gone: true })]), ['a/web:8080 '], 'mapped, then stopped')
  t.same(shown([3, []], [word('p', 2, [mapping('a')], { gone: true })]), [], 'Cloud Controller has been read since')
  t.end()
})

test('the port is the one in use', (t) => {
  t.same(shown([2, [mapping('a')]], [word('p', 1, [mapping('a', { port: 9000 })])]), ['a/web:9000 p'], 'Cloud Controller told its default')
  t.same(
    shown([1, [mapping('a', { port: 9000 })]], [word('p', 2, [mapping('a', { port: undefined })])]),
    ['a/web:9000 p'],
    'an internal route lists none',
  )
  t.same(shown([0, []], [word('p', 2, [mapping('a', { port: undefined })])]), ['a/web:8080 p'], 'nobody told')
  t.same(
    shown([2, [mapping('a'), mapping('a', { port: 9000 })]], [word('p', 1, [mapping('a')])]),
    ['a/web:8080 p', 'a/web:9000 p'],
    'two ports of one app are two destinations',
  )
  t.end()
})

test('weights come from Cloud Controller, also for what BBS tells', (t) => {
  const clouds = [mapping('a', { weight: 90 }), mapping('b', { weight: 10 })]
  t.same(shown([1, clouds], [word('p', 2, [mapping('a')]), word('q', 2, [mapping('b')], { app: 'b' })]), [
    'a/web:8080*90 p',
    'b/web:8080*10 q',
  ])
  t.end()
})

test('routes that could not be read say nothing', (t) => {
  t.same(shown([1, [mapping('a')]], [word('p', 0, [])]), ['a/web:8080 p'])
  t.end()
})
