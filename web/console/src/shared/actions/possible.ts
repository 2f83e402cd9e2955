import type { Schemas } from '@/api/client.ts'
import { defineWords, say } from '@/i18n'
import type { Operation } from './transactions.ts'

type Detail = Schemas['TransactionDetail']

const words = defineWords(
  {
    ended: 'It has ended; nothing is left to do.',
    decided: 'The outcome is decided already, and a decision is never reversed.',
    undecided: 'Nothing is decided yet: commit or roll back first, or wait for its end.',
    branchDone: 'This branch is done; nothing is left to do.',
    noLocks: 'It holds no rows.',
    releaseWhenRollingBack: 'Rows can be released only while it rolls back; a commit frees them by itself.',
    notStuck: 'Only a saga that is stuck behind its pivot can be finished by hand.',
    notSaga: 'This is for runs of sagas.',
    unknown: 'It is not known yet what is possible.',
    notNow: 'The rules do not allow it in this state.',
  },
  {
    ended: '事务已结束，无事可做。',
    decided: '结果已经决定，决议不可撤销。',
    undecided: '尚未作出决定：请先提交或回滚，或等待其结束。',
    branchDone: '此分支已完成，无事可做。',
    noLocks: '它没有锁定任何行。',
    releaseWhenRollingBack: '只有在回滚期间才能释放行锁；提交会自动释放。',
    notStuck: '只有卡在关键步骤之后的 Saga 才能人工结束。',
    notSaga: '仅适用于 Saga 实例。',
    unknown: '尚不清楚可以执行哪些操作。',
    notNow: '当前状态下规则不允许此操作。',
  },
)

/** Branches for which the server says whether they can be skipped; see web/why.go. */
const skipsTold = 18

/** reasonAgainst says why an operation cannot be done now; empty if it can. What the server lists as possible counts
 * most; the rest is put into words here. */
export function reasonAgainst(op: Operation, detail: Detail, why: Schemas['Why'] | undefined): string {
  if (why?.actions?.some((one) => one.action === op.action && (one.branch ?? '') === (op.branch ?? '')))
    return ''
  const key = against(op, detail, why)
  return key && say(words, key)
}

function against(
  op: Operation,
  detail: Detail,
  why: Schemas['Why'] | undefined,
): '' | keyof (typeof words)['en'] {
  if (detail.status === 'Committed' || detail.status === 'RolledBack') return 'ended'
  const active = detail.status === 'Active'
  const branch = op.branch ? detail.branches?.find((one) => one.id === op.branch) : undefined
  if (branch && branchOver(branch)) return 'branchDone'
  switch (op.action) {
    case 'commit':
    case 'rollback':
      return active ? 'notNow' : 'decided'
    case 'release':
      if (active) return 'undecided'
      if ((op.branch ? branch?.lockedRows : detail.lockCount) === 0) return 'noLocks'
      return detail.status === 'Committing' ? 'releaseWhenRollingBack' : 'notNow'
    case 'finish':
      return detail.saga ? 'notStuck' : 'notSaga'
    case 'retry':
    case 'skip':
      if (active && !detail.saga) return 'undecided'
      if (!why) return 'unknown'
      return op.branch && allowedBeyond(op, why) ? '' : 'notNow'
  }
}

/** The server lists only some branches that can be skipped, and the whole alone for retrying. */
function allowedBeyond(op: Operation, why: Schemas['Why']): boolean {
  const all = why.actions ?? []
  if (op.action === 'retry') return all.some((one) => one.action === 'retry')
  return all.filter((one) => one.action === 'skip').length >= skipsTold
}

function branchOver(branch: Schemas['Branch']): boolean {
  return branch.state === 'Finished' || branch.state === 'Skipped' || branch.state === 'ReadOnly'
}
