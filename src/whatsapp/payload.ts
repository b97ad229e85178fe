import type { Content, TemplateButton, TemplateParameter, TemplateSend } from "../domain/draft.ts";
import type { Recipient } from "../ports.ts";

/** Meta's body for one message. `to` wins over `recipient` when both are known: Meta advises to keep sending to the phone. */
export function sendBody(recipient: Recipient, content: Content, attemptId: string): Record<string, unknown> {
  return {
    messaging_product: "whatsapp",
    recipient_type: "individual",
    ...(recipient.waId ? { to: `+${recipient.waId}` } : { recipient: recipient.bsuid }),
    biz_opaque_callback_data: attemptId,
    ...contentBody(content),
  };
}

function contentBody(content: Content): Record<string, unknown> {
  switch (content.type) {
    case "text":
      return { type: "text", text: { body: content.text, preview_url: false } };
    case "buttons":
      return {
        type: "interactive",
        interactive: {
          type: "button",
          body: { text: content.text },
          action: { buttons: content.buttons.map(({ id, title }) => ({ type: "reply", reply: { id, title } })) },
        },
      };
    case "list":
      return {
        type: "interactive",
        interactive: {
          type: "list",
          body: { text: content.text },
          action: {
            button: content.button,
            sections: [
              {
                rows: content.rows.map(({ id, title, description }) => ({
                  id,
                  title,
                  ...(description ? { description } : {}),
                })),
              },
            ],
          },
        },
      };
    case "template":
      return { type: "template", template: templateBody(content.template) };
  }
}

function templateBody(send: TemplateSend): Record<string, unknown> {
  const components = [
    ...(send.header ? [{ type: "header", parameters: send.header.map(parameter) }] : []),
    ...(send.body && send.body.length > 0 ? [{ type: "body", parameters: send.body.map(parameter) }] : []),
    ...(send.limitedTimeOfferMs === undefined
      ? []
      : [
          {
            type: "limited_time_offer",
            parameters: [
              { type: "limited_time_offer", limited_time_offer: { expiration_time_ms: send.limitedTimeOfferMs } },
            ],
          },
        ]),
    ...(send.buttons ?? []).map(button),
    ...(send.cards
      ? [
          {
            type: "carousel",
            cards: send.cards.map((card, index) => ({
              card_index: index,
              components: [
                ...(card.header ? [{ type: "header", parameters: [parameter(card.header)] }] : []),
                ...(card.body ? [{ type: "body", parameters: card.body.map(parameter) }] : []),
                ...(card.buttons ?? []).map(button),
              ],
            })),
          },
        ]
      : []),
  ];
  return { name: send.name, language: { code: send.language }, ...(components.length > 0 ? { components } : {}) };
}

function parameter(value: TemplateParameter): Record<string, unknown> {
  switch (value.type) {
    case "text":
      return { type: "text", text: value.text, ...(value.name ? { parameter_name: value.name } : {}) };
    case "currency":
      return {
        type: "currency",
        currency: { fallback_value: value.fallback, code: value.code, amount_1000: value.amount1000 },
      };
    case "date-time":
      return { type: "date_time", date_time: { fallback_value: value.fallback } };
    case "location":
      return {
        type: "location",
        location: { latitude: value.latitude, longitude: value.longitude, name: value.name, address: value.address },
      };
    default: {
      const { type, ...media } = value;
      return { type, [type]: media };
    }
  }
}

function button(value: TemplateButton): Record<string, unknown> {
  const of = (subType: string, parameters: unknown[]) => ({
    type: "button",
    sub_type: subType,
    index: String(value.index),
    parameters,
  });
  switch (value.type) {
    case "quick-reply":
      return of("quick_reply", [{ type: "payload", payload: value.payload }]);
    case "url":
      return of("url", [{ type: "text", text: value.text }]);
    case "copy-code":
      return of("copy_code", [{ type: "coupon_code", coupon_code: value.code }]);
    case "flow":
      return of("flow", [{ type: "action", action: { flow_token: value.token, flow_action_data: value.data } }]);
    case "catalog":
      return of(
        "catalog",
        value.thumbnailProductId
          ? [{ type: "action", action: { thumbnail_product_retailer_id: value.thumbnailProductId } }]
          : [],
      );
  }
}
