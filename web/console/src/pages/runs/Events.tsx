import { Table } from '@mantine/core'
import { useWords } from '@/i18n'
import { span } from '@/i18n/format.ts'
import { When } from '@/shared/When.tsx'
import type { Run } from './paint.ts'
import classes from './runs.module.css'
import { eventWord, words } from './words.ts'

const failures = new Set(['attemptFailed', 'stepRefused', 'refused', 'retriesUsedUp', 'rollbackDecided'])

/** Events is the timeline of a run in words: everything that is told of it, oldest first. */
export function Events({ run }: { run: Run }) {
  const t = useWords(words)
  const began = Date.parse(run.beganAt ?? '')
  return (
    <div className={classes['scroll']} tabIndex={0} role="region" aria-label={t('events')}>
      <Table stickyHeader verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('at')}</Table.Th>
            <Table.Th>{t('what')}</Table.Th>
            <Table.Th>{t('stepColumn')}</Table.Th>
            <Table.Th ta="right">{t('attempt')}</Table.Th>
            <Table.Th ta="right">{t('tookColumn')}</Table.Th>
            <Table.Th>{t('who')}</Table.Th>
            <Table.Th w="40%">{t('text')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {(run.timeline ?? []).map((event, i) => {
            const word = eventWord(event.event ?? '')
            return (
              <Table.Tr key={i} data-failed={failures.has(event.event ?? '') || undefined}>
                <Table.Td className={classes['nowrap']}>
                  <span className="num">+{span(Date.parse(event.at ?? '') - began)}</span>{' '}
                  <span className="dim">
                    <When at={event.at} />
                  </span>
                </Table.Td>
                <Table.Td className={classes['what']}>{word ? t(word) : event.event}</Table.Td>
                <Table.Td className="mono">{event.step}</Table.Td>
                <Table.Td ta="right" className="num">
                  {event.attempt}
                </Table.Td>
                <Table.Td ta="right" className="num">
                  {event.tookMs ? span(event.tookMs) : ''}
                </Table.Td>
                <Table.Td>{event.actor}</Table.Td>
                <Table.Td className={classes['said']}>{event.text}</Table.Td>
              </Table.Tr>
            )
          })}
        </Table.Tbody>
      </Table>
    </div>
  )
}
