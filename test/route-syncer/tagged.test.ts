import { test } from 'tap'
import { Tagged } from '../../src/route-syncer/diego/tagged.ts'

const tag = (epoch: string, index: number) => ({ epoch, index })

test('older and repeated news is no news', (t) => {
  const table = new Tagged<string>()
  t.equal(table.isNews('k', tag('e', 3)), true)
  table.set('k', tag('e', 3), 1, 'three')
  t.equal(table.isNews('k', tag('e', 2)), false)
  t.equal(table.isNews('k', tag('e', 3)), false)
  t.equal(table.isNews('k', tag('e', 4)), true)
  t.equal(table.isNews('k', tag('f', 0)), true, 'of another epoch')
  t.equal(table.isNews('k', tag('', 0)), true, 'without a tag')
  t.end()
})

test('late news of what was removed does not bring it back', (t) => {
  const table = new Tagged<string>()
  table.set('k', tag('e', 3), 1, 'three')
  t.equal(table.remove('k', tag('e', 2), 2), false, 'an older removal')
  t.equal(table.get('k'), 'three')
  t.equal(table.remove('k', tag('e', 3), 3), true)
  t.equal(table.size, 0)
  t.equal(table.isNews('k', tag('e', 2)), false)
  t.equal(table.isNews('k', tag('f', 0)), true, 'made again')
  t.equal(table.remove('other', tag('e', 5), 4), true)
  t.equal(table.isNews('other', tag('e', 4)), false, 'a removal that overtook the creation')
  t.end()
})

test('a bulk list does not undo events that came while it was read', (t) => {
  const table = new Tagged<string>()
  table.set('changed', tag('e', 5), 12, 'by event')
  table.set('again', tag('f', 0), 12, 'by event, made again')
  table.set('gone', tag('e', 1), 1, 'old')
  table.remove('gone', tag('e', 1), 12)
  const begun = 10
  t.equal(table.isBulkNews('changed', tag('e', 4), begun), false)
  t.equal(table.isBulkNews('changed', tag('e', 6), begun), true)
  t.equal(table.isBulkNews('again', tag('e', 9), begun), false)
  t.equal(table.isBulkNews('gone', tag('e', 1), begun), false)
  t.equal(table.isBulkNews('gone', tag('e', 1), 20), true, 'a list begun later knows better')
  t.same([...table.missing(new Set(), begun)], [], 'nothing of this is missing from it')
  t.end()
})

test('what a bulk list lacks is missing unless it was heard of since', (t) => {
  const table = new Tagged<string>()
  table.set('old', tag('e', 0), 1, 'x')
  table.set('listed', tag('e', 0), 1, 'x')
  table.set('new', tag('e', 0), 11, 'x')
  t.same([...table.missing(new Set(['listed']), 10)], ['old'])
  table.drop('old')
  t.equal(table.size, 2)
  table.remove('listed', tag('e', 0), 5)
  table.forgetRemovals(10)
  t.equal(table.isNews('listed', tag('e', 0)), true, 'forgotten')
  t.end()
})
