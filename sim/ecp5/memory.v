// Block RAM of 2,048 cells of nine bits. Each port reads or writes 1 to 18 bits of it; at 36 bits port A writes and
// port B reads, and the lower half of a word is on the data pins of A. A read in the clock of a write to the same place
// gets the old word. Contents begin as zeros.

`timescale 1ps / 1ps

module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter GSR = "ENABLED"
) (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
    input DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
    output DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
    input DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
    output DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
  wire [13:0] address_a = {
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
  };
  wire [13:0] address_b = {
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
  };
  wire [17:0] data_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
    DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0
  };
  wire [17:0] data_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
    DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0
  };
  wire enable_a = CEA & {CSA2, CSA1, CSA0} == 0;
  wire enable_b = CEB & {CSB2, CSB1, CSB0} == 0;

  reg [8:0] cells[0:2047];
  reg [35:0] word_a = 0, word_b = 0, output_a = 0, output_b = 0;
  integer i;

  initial begin
    for (i = 0; i < 2048; i = i + 1) cells[i] = 0;
    if (WRITEMODE_A != "NORMAL" || WRITEMODE_B != "NORMAL") $fatal(1, "DP16KD: write mode without model");
    if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000") $fatal(1, "DP16KD: CSDECODE without model");
    if (RESETMODE != "SYNC") $fatal(1, "DP16KD: RESETMODE without model");
    if ((DATA_WIDTH_A == 36) != (DATA_WIDTH_B == 36)) $fatal(1, "DP16KD: 36 bits are for both ports");
  end

  function [35:0] read(input integer width, input [13:0] address);
    case (width)
      1: read = cells[address[13:3]][address[2:0]];
      2: read = cells[address[13:3]][{address[2:1], 1'b0}+:2];
      4: read = cells[address[13:3]][{address[2], 2'b0}+:4];
      9: read = cells[address[13:3]];
      18: read = {cells[{address[13:4], 1'b1}], cells[{address[13:4], 1'b0}]};
      default:
      read = {
        cells[{address[13:5], 2'd3}],
        cells[{address[13:5], 2'd2}],
        cells[{address[13:5], 2'd1}],
        cells[{address[13:5], 2'd0}]
      };
    endcase
  endfunction

  // Of 18 and 36 bits the lowest address bits are byte enables.
  task write(input integer width, input [13:0] address, input [35:0] data);
    integer lane;
    case (width)
      1: cells[address[13:3]][address[2:0]] <= data[0];
      2: cells[address[13:3]][{address[2:1], 1'b0}+:2] <= data[1:0];
      4: cells[address[13:3]][{address[2], 2'b0}+:4] <= data[3:0];
      9: cells[address[13:3]] <= data[8:0];
      18:
      for (lane = 0; lane < 2; lane = lane + 1)
        if (address[lane]) cells[{address[13:4], lane[0]}] <= data[9*lane+:9];
      default:
      for (lane = 0; lane < 4; lane = lane + 1)
        if (address[lane]) cells[{address[13:5], lane[1:0]}] <= data[9*lane+:9];
    endcase
  endtask

  always @(posedge CLKA) begin
    if (enable_a && WEA) write(DATA_WIDTH_A, address_a, {data_b, data_a});
    else if (enable_a) word_a <= read(DATA_WIDTH_A, address_a);
    if (OCEA) output_a <= word_a;
    if (RSTA) output_a <= 0;
  end
  always @(posedge CLKB) begin
    if (enable_b && WEB) write(DATA_WIDTH_B, address_b, {18'b0, data_b});
    else if (enable_b) word_b <= read(DATA_WIDTH_B, address_b);
    if (OCEB) output_b <= word_b;
    if (RSTB) output_b <= 0;
  end

  wire [35:0] shown_a = REGMODE_A == "OUTREG" ? output_a : word_a;
  wire [35:0] shown_b = REGMODE_B == "OUTREG" ? output_b : word_b;
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
          DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} =
      DATA_WIDTH_A == 36 ? shown_b[17:0] : shown_a[17:0];
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
          DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} =
      DATA_WIDTH_B == 36 ? shown_b[35:18] : shown_b[17:0];
endmodule
