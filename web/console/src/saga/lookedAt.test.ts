import { beforeEach, expect, it } from 'vitest'
import { setLanguage } from '@/i18n'
import { lookedAt } from './lookedAt.ts'

beforeEach(() => setLanguage('zh'))

// What Report.Part of saga/explore says.
const said: Record<string, string> = {
  'all paths': '所有路径',
  'some paths': '部分路径',
  'all paths that leave cycles after 3 rounds': '最多循环 3 轮的所有路径',
  'all paths on which nothing goes wrong, and some others': '没有异常的所有路径，以及其他一些路径',
  'all paths on which one thing goes wrong, and some others': '出现 1 次异常的所有路径，以及其他一些路径',
  'all paths on which up to 2 things go wrong, and some others':
    '最多出现 2 次异常的所有路径，以及其他一些路径',
  'all paths that leave cycles after 3 rounds on which up to 2 things go wrong, and some others':
    '最多出现 2 次异常且最多循环 3 轮的所有路径，以及其他一些路径',
}

it.each(Object.entries(said))('%s, in Chinese', (part, chinese) => {
  expect(lookedAt(part)).toBe(chinese)
})

it('is said in the words of the server in English, and where they are not known', () => {
  expect(lookedAt('all paths of another kind')).toBe('all paths of another kind')
  setLanguage('en')
  for (const part of Object.keys(said)) expect(lookedAt(part)).toBe(part)
})
