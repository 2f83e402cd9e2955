import { expect, it } from 'vitest'
import { words as actions } from '@/shared/actions/words.ts'
import { words as audit } from '@/pages/audit/words.ts'
import { words as cluster } from '@/pages/cluster/words.ts'
import { words as designer } from '@/pages/designer/words.ts'
import { words as inbox } from '@/pages/inbox/words.ts'
import { words as sagas } from '@/pages/sagas/words.ts'
import { words as timeline } from '@/pages/transaction/timelineWords.ts'
import { words as graph } from '@/saga/graph/words.ts'
import { words as lanes } from '@/shared/timeline/words.ts'
import { defineWords, say } from './index.ts'

const words = defineWords(
  { rows: '{n} rows of {of}', rows1: '1 row of {of}', plain: '{n} of them' },
  { rows: '{of} 的 {n} 行', rows1: '{of} 的 {n} 行', plain: '其中 {n} 个' },
)

it('has a text of its own for one, where there is one', () => {
  expect(say(words, 'rows', { n: 1, of: 'a' })).toBe('1 row of a')
  expect(say(words, 'rows', { n: '1', of: 'a' })).toBe('1 row of a')
  expect(say(words, 'rows', { n: 0, of: 'a' })).toBe('0 rows of a')
  expect(say(words, 'rows', { n: '11', of: 'a' })).toBe('11 rows of a')
  expect(say(words, 'plain', { n: 1 })).toBe('1 of them')
})

const pages = { actions, audit, cluster, designer, inbox, sagas, timeline, graph, lanes }
const plural = /\b1 (rows|checks|decisions|attempts|entries|connections|events|steps|runs|lines|lanes)\b/

it.each(Object.entries(pages))('%s does not count one as many', (_, all) => {
  const keys = Object.keys(all.en) as (keyof typeof all.en)[]
  const wrong = keys.filter((key) => plural.test(say(all as never, key, { n: 1 })))
  expect(wrong).toEqual([])
})
