import { ActionIcon } from '@mantine/core'
import { useEffect, useMemo, useRef, type ReactNode } from 'react'
import { Link } from 'react-router'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import { JsonView } from '@/shared/JsonView.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { Copy } from '@/shared/Xid.tsx'
import classes from './audit.module.css'
import { changesOf, placeOf, short, stageOf, type Entry } from './entries.ts'
import { words } from './words.ts'

/** One shows an entry whole: who, from where, why, and how it was before and after. */
export function One({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  const t = useWords(words)
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => head.current?.focus({ preventScroll: true }), [])
  const changes = useMemo(() => changesOf(entry.before, entry.after), [entry])
  const stage = stageOf(entry)
  const place = placeOf(entry)
  const facts: readonly (readonly [string, ReactNode])[] = [
    [t('at'), <When at={entry.at} both />],
    [
      t('who'),
      `${entry.name || entry.who || ''}${entry.name && entry.who !== entry.name ? ` (${entry.who})` : ''}`,
    ],
    [t('how'), entry.how],
    [t('target'), entry.target && <Whole text={entry.target} />],
    [t('why'), entry.why],
    [t('status'), entry.status ? `${entry.status}${entry.code ? ` ${entry.code}` : ''}` : undefined],
    [t('request'), entry.requestId && <Whole text={entry.requestId} />],
    [t('address'), entry.address],
    [t('node'), entry.node],
    [t('intentOf'), entry.of && <Whole text={entry.of} />],
    [t('hash'), entry.hash && <Whole text={entry.hash} />],
    [t('prev'), entry.prev && <Whole text={entry.prev} />],
  ]
  return (
    <aside className={`card ${classes['panel']}`} aria-label={t('detail')}>
      <header className={classes['panelHead']}>
        <div className={classes['grow']}>
          <span className="dim">{t('entry', { seq: entry.seq ?? 0 })}</span>
          <h2 ref={head} tabIndex={-1}>
            {entry.action}
          </h2>
          <Mark
            tone={stage.tone}
            text={t(stage.word)}
            help={stage.word === 'intent' ? t('intentHelp') : undefined}
          />
        </div>
        <ActionIcon variant="subtle" color="gray" aria-label={t('close')} onClick={onClose}>
          <Icon path="M4 4l8 8M12 4l-8 8" />
        </ActionIcon>
      </header>
      <div className={classes['body']}>
        <dl className={classes['facts']}>
          {facts
            .filter(([, value]) => value)
            .map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
        </dl>
        {place && (
          <p>
            <Link to={place}>{t('openTarget')}</Link>
          </p>
        )}
        {changes.length > 0 && (
          <table className={classes['changes']} aria-label={t('changes')}>
            <thead>
              <tr>
                <th scope="col">{t('field')}</th>
                <th scope="col">{t('before')}</th>
                <th scope="col">{t('after')}</th>
              </tr>
            </thead>
            <tbody>
              {changes.map((change) => (
                <tr key={change.field}>
                  <th scope="row" className="mono">
                    {change.field}
                  </th>
                  <td className={classes['was']}>{short(change.before) || <i>{t('nothing')}</i>}</td>
                  <td className={classes['is']}>{short(change.after) || <i>{t('nothing')}</i>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {entry.before !== undefined && entry.before !== null && (
          <>
            <h3>{t('before')}</h3>
            <JsonView value={entry.before} label={t('before')} maxHeight={260} />
          </>
        )}
        {entry.after !== undefined && entry.after !== null && (
          <>
            <h3>{t('after')}</h3>
            <JsonView value={entry.after} label={t('after')} maxHeight={260} />
          </>
        )}
      </div>
    </aside>
  )
}

function Whole({ text }: { text: string }) {
  return (
    <>
      <span className="mono">{text}</span> <Copy text={text} />
    </>
  )
}
