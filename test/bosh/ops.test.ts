import { test } from 'tap'
import { applyOperations, readOperations, readYaml, type Operation } from './support/ops.ts'

const replace = (path: string, value: unknown): Operation => ({ type: 'replace', path, value })
const remove = (path: string): Operation => ({ type: 'remove', path })
const document = { a: { b: 1 }, list: ['x', 'y', 'z'], groups: [{ name: 'one', jobs: [{ name: 'j' }] }, { name: 'two' }] }

const cases: { name: string; operation: Operation; gives: object }[] = [
  { name: 'replaces a key', operation: replace('/a/b', 2), gives: { a: { b: 2 } } },
  { name: 'makes an optional key and all below it', operation: replace('/a/c?/d/e', 2), gives: { a: { b: 1, c: { d: { e: 2 } } } } },
  { name: 'makes an optional list', operation: replace('/a/c?/-', 2), gives: { a: { b: 1, c: [2] } } },
  { name: 'appends', operation: replace('/list/-', 'w'), gives: { list: ['x', 'y', 'z', 'w'] } },
  { name: 'replaces by index, from the end too', operation: replace('/list/-1', 'w'), gives: { list: ['x', 'y', 'w'] } },
  { name: 'inserts before', operation: replace('/list/1:before', 'w'), gives: { list: ['x', 'w', 'y', 'z'] } },
  { name: 'inserts after the last', operation: replace('/list/-1:after', 'w'), gives: { list: ['x', 'y', 'z', 'w'] } },
  {
    name: 'inserts after the one that matches',
    operation: replace('/groups/name=one:after', { name: 'new' }),
    gives: { groups: [document.groups[0], { name: 'new' }, document.groups[1]] },
  },
  {
    name: 'inserts before the one that matches',
    operation: replace('/groups/name=one:before', { name: 'new' }),
    gives: { groups: [{ name: 'new' }, ...document.groups] },
  },
  {
    name: 'goes to the next',
    operation: replace('/groups/name=one:next/instances?', 2),
    gives: { groups: [document.groups[0], { name: 'two', instances: 2 }] },
  },
  {
    name: 'adds an optional match',
    operation: replace('/groups/name=three?/vm_type', 'small'),
    gives: { groups: [...document.groups, { name: 'three', vm_type: 'small' }] },
  },
  { name: 'removes a key', operation: remove('/a/b'), gives: { a: {} } },
  { name: 'removes a match', operation: remove('/groups/name=one'), gives: { groups: [document.groups[1]] } },
  { name: 'removes what is optional and absent', operation: remove('/groups/name=three?/jobs/0'), gives: {} },
  { name: 'reads escapes', operation: replace('/a/c~1d~0e~7f?', 1), gives: { a: { b: 1, 'c/d~e:f': 1 } } },
]

for (const { name, operation, gives } of cases) {
  test(`an operation ${name}`, (t) => {
    t.strictSame(applyOperations(document, [operation]), { ...document, ...gives })
    t.end()
  })
}

test('an operation that does not fit is refused with its path', (t) => {
  const wrong: [Operation, RegExp][] = [
    [replace('/a/c', 1), /map key 'c' for path '\/a\/c'/],
    [replace('/a/b/c?', 1), /find a map at path '\/a\/b\/c\?'/],
    [replace('/a/-', 1), /find an array/],
    [replace('/list/3', 1), /array index '3' but found array of length '3'/],
    [replace('/list/-4', 1), /array index '-4'/],
    [replace('/groups/name=three', 1), /exactly one matching array item for path '\/groups\/name=three' but found 0/],
    [replace('/groups/name=one:before/x?', 1), /'prev', 'next'/],
    [replace('/a:before', 1), /modifiers with key token/],
    [replace('/list/-:after', 1), /modifiers with after last/],
    [replace('/list/0:beside', 1), /modifiers/],
    [replace('/a/c?/0', 1), /Expected to find key/],
    [replace('list', 1), /start with/],
    [remove('/a/c'), /map key 'c'/],
    [remove('/list/-'), /'-'/],
    [remove(''), /entire document/],
  ]
  for (const [operation, message] of wrong) t.throws(() => applyOperations(document, [operation]), { message }, operation.path)
  t.throws(() => applyOperations({ l: [{ name: 'a' }, { name: 'a' }] }, [replace('/l/name=a', 1)]), { message: /found 2/ })
  t.end()
})

test('an ops-file with an unknown field or without a value is refused', (t) => {
  t.throws(() => readOperations('- {type: add, path: /a, value: 1}'), { message: /unknown type 'add'/ })
  t.throws(() => readOperations('- {type: replace, path: /a}'), { message: /missing value/ })
  t.throws(() => readOperations('- {type: remove, path: /a, value: 1}'), { message: /cannot have value/ })
  t.throws(() => readOperations('- {type: remove, path: /a, note: 1}'), { message: /unknown field 'note'/ })
  t.end()
})

test('YAML is read as BOSH reads it', (t) => {
  t.strictSame(readYaml('a: yes\nb: &x {c: on}\nd: {<<: *x, e: "no"}'), { a: true, b: { c: true }, d: { c: true, e: 'no' } })
  t.end()
})

test('what was applied is not changed by what follows', (t) => {
  const value = { jobs: [] as string[] }
  const [once, twice] = [replace('/groups/-', value), replace('/groups/2/jobs/-', 'j')]
  t.strictSame((applyOperations(document, [once, twice]) as typeof document).groups[2], { jobs: ['j'] })
  t.strictSame(value, { jobs: [] })
  t.end()
})
