import { ActionIcon, Button, Text } from '@mantine/core'
import { useEffect, useRef } from 'react'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import type { Action } from '@/shared/actions/model.ts'
import { Icon } from '@/shared/Icon.tsx'
import { When } from '@/shared/When.tsx'
import { Copy } from '@/shared/Xid.tsx'
import { ClaimBox } from './ClaimBox.tsx'
import classes from './inbox.module.css'
import { nameOf, type Claim, type Item } from './items.ts'
import { Approval, Half, Letter, Wait } from './Others.tsx'
import { Stuck } from './Stuck.tsx'
import { words, type Word } from './words.ts'

interface PanelProps {
  open: Pick<Item, 'kind' | 'id'>
  /** What the list knows of it; absent if it is not in the list any more. */
  item: Item | undefined
  claim: Claim | undefined
  /** How many others can be put right in the same way. */
  alike: number
  onAlike: () => void
  act: (action: Action) => void
  onClose: () => void
}

/** Panel stands beside the list and leads through what an item needs. */
export function Panel({ open, item, claim, alike, onAlike, act, onClose }: PanelProps) {
  const t = useWords(words)
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => head.current?.focus({ preventScroll: true }), [])
  const word: Word = open.kind === 'transaction' && item?.saga ? 'kind_saga' : `kind_${open.kind}`
  return (
    <aside className={`card ${classes['panel']}`} aria-label={t('panel')}>
      <header className={classes['panelHead']}>
        <div className={classes['grow']}>
          <Text size="xs" c="dimmed">
            {t(word)} {item?.at && <>· {<When at={item.at} />}</>}
          </Text>
          <h2 ref={head} tabIndex={-1} className={classes['panelTitle']}>
            {item?.what || open.id}
          </h2>
          <span className={`mono dim ${classes['wrap']}`}>
            {open.id} <Copy text={open.id} />
          </span>
        </div>
        <ActionIcon variant="subtle" color="gray" aria-label={t('close')} onClick={onClose}>
          <Icon path="M4 4l8 8M12 4l-8 8" />
        </ActionIcon>
      </header>
      <ClaimBox item={nameOf(open)} claim={claim} />
      <div className={classes['body']}>
        {open.kind === 'transaction' && <Stuck xid={open.id} act={act} />}
        {open.kind === 'letter' && <Letter id={open.id} act={act} />}
        {open.kind === 'approval' && <Approval id={open.id} act={act} />}
        {open.kind === 'wait' && <Wait id={open.id} act={act} />}
        {open.kind === 'half' && <Half id={open.id} />}
      </div>
      {alike > 0 && (open.kind === 'transaction' || open.kind === 'letter') && (
        <footer className={classes['panelFoot']}>
          <Text size="sm">{t('alike', { n: count(alike) })}</Text>
          <Button size="compact-xs" variant="default" onClick={onAlike}>
            {t('alikeSelect')}
          </Button>
        </footer>
      )}
    </aside>
  )
}
