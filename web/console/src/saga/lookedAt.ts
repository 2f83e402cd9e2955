import { language } from '@/i18n'

const sentence = new RegExp(
  '^all paths(?: that leave cycles after (?<rounds>\\d+) rounds)?' +
    '(?: on which (?<what>nothing goes|one thing goes|up to (?<most>\\d+) things go) wrong, and some others)?$',
)

/** lookedAt says in the language of the page which paths an exploration has looked at. The server says it in English,
 * see Report.Part in saga/explore; what is not known here is shown as it came. */
export function lookedAt(part: string): string {
  if (language() !== 'zh') return part
  if (part === 'some paths') return '部分路径'
  const found = sentence.exec(part)?.groups
  if (!found) return part
  const { rounds, what, most } = found
  const all = rounds ? `最多循环 ${rounds} 轮的所有路径` : '所有路径'
  if (!what) return all
  const wrong = most ? `最多出现 ${most} 次异常` : what.startsWith('one') ? '出现 1 次异常' : '没有异常'
  return `${wrong}${rounds ? '且' : '的'}${all}，以及其他一些路径`
}
